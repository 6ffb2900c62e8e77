// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The numbers of the CPUs this process may run on, from `/proc/self/status`; at most as many as
/// the quota of the control group allows.
final class Cpus {
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final String KEY = "Cpus_allowed_list:";
    private static final Pattern RANGE = Pattern.compile("(\\d+)(?:-(\\d+))?");

    private Cpus() {}

    static List<Integer> allowed() {
        try {
            for (String line : Files.readAllLines(STATUS)) {
                if (line.startsWith(KEY)) {
                    List<Integer> cpus = parse(line.substring(KEY.length()).strip());
                    // Includes the quota of the control group, unlike the line.
                    int quota = Runtime.getRuntime().availableProcessors();
                    return cpus.subList(0, Math.min(cpus.size(), quota));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + STATUS, e);
        }
        throw new IllegalStateException(STATUS + " has no line " + KEY);
    }

    /// Parses a list such as `0-3,8,10-11`.
    static List<Integer> parse(String list) {
        List<Integer> cpus = new ArrayList<>();
        Matcher range = RANGE.matcher(list);
        while (range.find()) {
            int first = Integer.parseInt(range.group(1));
            int last = range.group(2) == null ? first : Integer.parseInt(range.group(2));
            for (int cpu = first; cpu <= last; cpu++) {
                cpus.add(cpu);
            }
        }
        return cpus;
    }
}
