/// The CPU kernels under their contract, and what only they have: a thread team, packing, twins.
@NullMarked
package dev.lockstep.kernels.cpu;

import org.jspecify.annotations.NullMarked;
