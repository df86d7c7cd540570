"""Parts of the scorer: compiled kernels, curves, reasons, data checks. Entry point: ``engine.scorer``."""
