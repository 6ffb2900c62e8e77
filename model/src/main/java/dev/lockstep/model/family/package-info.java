/// Architectures, one file each, that read like their papers; none inherits from another.
@NullMarked
package dev.lockstep.model.family;

import org.jspecify.annotations.NullMarked;
