"""JAX with its 64-bit types; a test that wants it otherwise says so."""

import jax

jax.config.update("jax_enable_x64", True)
