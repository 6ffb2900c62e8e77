/// The readers of files that strangers wrote, fuzzed with Jazzer: each in a JVM of its own.
@NullMarked
package dev.lockstep.it.fuzz;

import org.jspecify.annotations.NullMarked;
