/// Layers, families, loading.
@NullMarked
package dev.lockstep.model;

import org.jspecify.annotations.NullMarked;
