"""SoftPatch: PatchCore with its noisiest training patches removed and the others weighted."""
