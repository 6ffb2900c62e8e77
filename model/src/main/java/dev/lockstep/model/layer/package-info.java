// SPDX-License-Identifier: Apache-2.0
/// The layers of a decoder. Each knows how its own weight is cut over the ranks and loads this
/// rank's shard; [ResidualBranch] sums the partial outputs.
@NullMarked
package dev.lockstep.model.layer;

import org.jspecify.annotations.NullMarked;
