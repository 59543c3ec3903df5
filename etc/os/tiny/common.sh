# Shared by the scripts of this definition; sourced, never run.

fail() {
	echo "tiny: $*" >&2
	exit 1
}

check_parameters() {
	case ${OSP_HEARTBEAT:-1} in
	*[!0-9]*) fail "parameter heartbeat is '$OSP_HEARTBEAT'; it must be a number of seconds" ;;
	esac
	case ${OSP_NOACPI:-no} in
	yes | no) ;;
	*) fail "parameter noacpi is '$OSP_NOACPI'; it may be yes or no" ;;
	esac
	case ${OSP_EXTRA_ARGS:-} in
	*[![:print:]]*) fail "parameter extra_args has characters that cannot be printed" ;;
	esac
}
