/// The lockstep command and the launcher.
@NullMarked
package dev.lockstep.cli;

import org.jspecify.annotations.NullMarked;
