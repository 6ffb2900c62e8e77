// SPDX-License-Identifier: Apache-2.0
/// Quantizes matrices into the block types of GGUF and the forms of compressed-tensors, with or
/// without what their inputs look like.
@NullMarked
package dev.lockstep.model.quant;

import org.jspecify.annotations.NullMarked;
