"""Labels alone, once more: the second of two networks that differ in nothing but chance (section 3.1)."""

from medseg_lab.training.supervised import Supervised


class OtherStart(Supervised):
    """The supervised twin from other first weights, with the same patches in the same order."""

    def build(self) -> None:
        """A network; its weights are the second that are drawn."""
        super().build()
        self.network = self.new_network()
