/// Java client of the public API.
@NullMarked
package dev.lockstep.client;

import org.jspecify.annotations.NullMarked;
