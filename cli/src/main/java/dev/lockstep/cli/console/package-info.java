/// What a person at a terminal sees of long work, and the errors a person must mend.
@NullMarked
package dev.lockstep.cli.console;

import org.jspecify.annotations.NullMarked;
