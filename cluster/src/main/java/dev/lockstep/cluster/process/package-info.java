/// What every process of ours is made of: settings, its life until a signal, failpoints, clock and
/// randomness. It knows no other process.
@NullMarked
package dev.lockstep.cluster.process;

import org.jspecify.annotations.NullMarked;
