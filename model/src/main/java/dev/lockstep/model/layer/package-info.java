/// Parts of models. Each knows how to cut its own weight and, where its output is a partial sum,
/// sums it.
@NullMarked
package dev.lockstep.model.layer;

import org.jspecify.annotations.NullMarked;
