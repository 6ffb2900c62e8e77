/// Membership, leadership, settings, lifecycle, block hashes.
@NullMarked
package dev.lockstep.cluster;

import org.jspecify.annotations.NullMarked;

