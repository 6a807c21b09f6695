"""AE-SSIM."""
