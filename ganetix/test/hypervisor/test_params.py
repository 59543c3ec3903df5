"""Hypervisor parameters are checked by name, type and value."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ganetix.errors import BadParameter
from ganetix.hypervisor.params import (
    HV_PARAMETERS,
    check_hvparams,
    effective_hvparams,
    parsed_hvparams,
)
from ganetix.objects.params import HvValue


class HvParamsTests(SynchronousTestCase):
    """The one table of parameters."""

    def refusal(self, hypervisor: str, params: dict[str, HvValue]) -> str:
        """Why parameters are refused."""
        return str(self.assertRaises(BadParameter, check_hvparams, hypervisor, params))

    def test_defaults_pass(self) -> None:
        """Each default is a value that is allowed."""
        for hypervisor in HV_PARAMETERS:
            check_hvparams(hypervisor, effective_hvparams(hypervisor))

    def test_unknown_hypervisor(self) -> None:
        """An unknown hypervisor is named, with those there are."""
        self.assertEqual(
            self.refusal("xen", {}),
            "hypervisor 'xen' is not known; there are: fake, kvm",
        )

    def test_unknown_parameter(self) -> None:
        """An unknown parameter is named, with those there are."""
        text = self.refusal("kvm", {"colour": "red"})
        self.assertIn("hypervisor kvm has no parameter 'colour'", text)
        self.assertIn("kernel_path", text)

    def test_bad_values(self) -> None:
        """Values of the wrong form, range or type are named, and what is allowed."""
        bad: dict[str, tuple[HvValue, ...]] = {
            "accel": ("", "xen", "kvm:kvm", "kvm:", "KVM", 1),
            "machine_version": ("pc,accel=kvm", "a b"),
            "cpu_type": ("host -x",),
            "kernel_path": ("vmlinuz", "/boot/a\nb"),
            "kernel_args": ("a\0b", "a\nb"),
            "life_sign_timeout": (-1, 3601, "60", True),
            "tcg_tb_size": (0, 4097),
        }
        for name, values in bad.items():
            for value in values:
                text = self.refusal("kvm", {name: value})
                self.assertTrue(text.startswith(f"kvm parameter {name} is {value!r};"))
                self.assertIn(HV_PARAMETERS["kvm"][name].allowed, text)

    def test_layers(self) -> None:
        """Later layers go over earlier ones, and all over the defaults."""
        effective = effective_hvparams(
            "kvm", {"accel": "kvm", "tcg_tb_size": 64}, {"accel": "tcg"}
        )
        self.assertEqual(effective["accel"], "tcg")
        self.assertEqual(effective["tcg_tb_size"], 64)
        self.assertEqual(effective["life_sign_timeout"], 60)

    def test_initrd_needs_kernel(self) -> None:
        """An initial RAM disk without a kernel makes no sense."""
        error = self.assertRaises(
            BadParameter, effective_hvparams, "kvm", {"initrd_path": "/boot/initrd"}
        )
        self.assertIn("only together with kernel_path", str(error))

    def test_typed_by_people(self) -> None:
        """Numbers that people type become numbers; nonsense is refused by name."""
        self.assertEqual(
            parsed_hvparams("kvm", {"tcg_tb_size": "64", "kernel_args": "1"}),
            {"tcg_tb_size": 64, "kernel_args": "1"},
        )
        error = self.assertRaises(
            BadParameter, parsed_hvparams, "kvm", {"tcg_tb_size": "many"}
        )
        self.assertIn("'many'", str(error))
