"""Names of the sysctls whose readings are noted: see settings.pxd."""
