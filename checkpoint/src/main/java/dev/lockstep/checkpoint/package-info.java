// SPDX-License-Identifier: Apache-2.0
/// Safetensors, GGUF, model configuration; no maths.
///
/// Laws: opening checks a file completely, except the weights' values, and reports an error as a
/// [CheckpointException] of one line that names file, place and remedy. Opening needs memory of at
/// most the headers' size times a constant, for any content of the headers. Weights are mapped for
/// the life of the process and never copied here.
@NullMarked
package dev.lockstep.checkpoint;

import org.jspecify.annotations.NullMarked;
