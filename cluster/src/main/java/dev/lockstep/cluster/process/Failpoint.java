// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.util.regex.Pattern;

/// A named place in the code where a crash would matter, such as `worker.before-step`.
///
/// The module that has the place declares it as a constant and lists all of its own for
/// [Failpoints#parse]. The first word is the process.
public record Failpoint(String name) {

    private static final Pattern NAME = Pattern.compile("[a-z]+\\.[a-z0-9-]+");

    public Failpoint {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException("failpoint \"" + name + "\" is not process.place");
        }
    }

    /// Returns the first word: the process that has it.
    public String process() {
        return name.substring(0, name.indexOf('.'));
    }
}
