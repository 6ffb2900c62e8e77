// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The CPUs that this process may use.
///
/// @param count at most the number of those allowed: the quota of a control group may be lower
/// @param pinnable their numbers; empty where a quota limits the count, because then every
///   container of the host would pin its threads to the same ones
public record HostCpus(int count, List<Integer> pinnable) {
    private static final String KEY = "Cpus_allowed_list:";
    private static final Pattern RANGE = Pattern.compile("(\\d+)(?:-(\\d+))?");

    public HostCpus {
        pinnable = List.copyOf(pinnable);
    }

    public static HostCpus ofProcess() {
        return of(Path.of("/"));
    }

    static HostCpus of(Path root) {
        // The affinity of the process, within the cpuset of its control group.
        List<Integer> allowed = allowed(root.resolve("proc/self/status"));
        OptionalInt quota = new ControlGroups(root).cpus();
        return quota.orElse(allowed.size()) < allowed.size()
                ? new HostCpus(quota.getAsInt(), List.of())
                : new HostCpus(allowed.size(), allowed);
    }

    private static List<Integer> allowed(Path status) {
        try {
            for (String line : Files.readAllLines(status)) {
                if (line.startsWith(KEY)) {
                    return parse(line.substring(KEY.length()).strip());
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + status, e);
        }
        throw new IllegalStateException(status + " has no line " + KEY);
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
