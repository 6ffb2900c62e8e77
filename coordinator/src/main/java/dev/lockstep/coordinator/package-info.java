/// Client connections and text.
@NullMarked
package dev.lockstep.coordinator;

import org.jspecify.annotations.NullMarked;
