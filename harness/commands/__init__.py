"""The commands of ``reproduce``, each loaded when it is called."""
