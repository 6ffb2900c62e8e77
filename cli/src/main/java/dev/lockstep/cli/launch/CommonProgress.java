// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import dev.lockstep.cli.console.Terminal;
import java.util.HashMap;
import java.util.Map;

/// The progress of the children that do the same work at the same time, as one. Safe for any number
/// of threads.
final class CommonProgress {
    private record Part(long done, long total) {}

    private final Map<String, Map<String, Part>> parts = new HashMap<>();

    synchronized void add(Terminal terminal, String child, String what, long done, long total) {
        Map<String, Part> all = parts.computeIfAbsent(what, _ -> new HashMap<>());
        all.put(child, new Part(done, total));
        terminal.progress(
                what,
                all.values().stream().mapToLong(Part::done).sum(),
                all.values().stream().mapToLong(Part::total).sum());
    }
}
