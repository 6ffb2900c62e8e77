// SPDX-License-Identifier: Apache-2.0
/// Writes a model anew with quantized matrices.
@NullMarked
package dev.lockstep.cli.convert;

import org.jspecify.annotations.NullMarked;
