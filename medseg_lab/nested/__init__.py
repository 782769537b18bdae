"""Methods for regions that lie in one another: a tumour, its core, the part of the core that enhances."""
