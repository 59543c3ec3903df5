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
ganetix_simnodes = ServiceMaker(
    "ganetix-simnodes",
    "ganetix.tap.simnodes",
    "Many simulated nodes in one process, to rehearse and measure a ganetix cluster",
    "ganetix-simnodes",
)
