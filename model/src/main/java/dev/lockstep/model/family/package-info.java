// SPDX-License-Identifier: Apache-2.0
/// Architectures, one file for each forward pass; none inherits from another. Their comments write
/// n for the branch's normed input, `norm(residual)`.
@NullMarked
package dev.lockstep.model.family;

import org.jspecify.annotations.NullMarked;
