"""The daemons that twistd can start."""

from twisted.application.service import ServiceMaker

ganetix_master = ServiceMaker(
    "ganetix-master",
    "ganetix.tap.master",
    "The master of a ganetix cluster: state, jobs, and the socket for commands",
    "ganetix-master",
)
ganetix_node = ServiceMaker(
    "ganetix-node",
    "ganetix.tap.node",
    "The node daemon of a ganetix cluster: guests, disks and files of one host",
    "ganetix-node",
)
