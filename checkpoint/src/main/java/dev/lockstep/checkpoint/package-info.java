/// Safetensors, GGUF, model configuration; no maths.
///
/// Laws: a file is checked completely when it is opened, its weights' values excepted, and what is
/// wrong with it is a [CheckpointException] of one line that names file, place and remedy. Opening
/// takes memory of at most the headers' size times a constant, whatever the headers say. Weights
/// are mapped for the life of the process and never copied here.
@NullMarked
package dev.lockstep.checkpoint;

import org.jspecify.annotations.NullMarked;
