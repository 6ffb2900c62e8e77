/// Safetensors, GGUF, model configuration; no maths.
@NullMarked
package dev.lockstep.checkpoint;

import org.jspecify.annotations.NullMarked;
