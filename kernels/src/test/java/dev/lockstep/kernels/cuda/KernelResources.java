// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What a compiled kernel needs, as the compiler's log with `--ptxas-options=-v` says it.
///
/// @param sharedBytes of static shared memory
/// @param localBytes of stack and spilled registers
record KernelResources(String kernel, int registers, int sharedBytes, int localBytes) {
    private static final Pattern ENTRY = Pattern.compile("Compiling entry function '(\\w+)'");
    private static final Pattern PROPERTIES =
            Pattern.compile(
                    "(\\d+) bytes stack frame, (\\d+) bytes spill stores, (\\d+) bytes spill loads");
    private static final Pattern USED = Pattern.compile("Used (\\d+) registers");
    private static final Pattern SHARED = Pattern.compile("(\\d+) bytes smem");

    /// Reads the kernels of a log, sorted by name.
    ///
    /// @throws IllegalArgumentException for a line that is no part of such a report: a warning
    static List<KernelResources> parse(String log) {
        var all = new ArrayList<KernelResources>();
        String kernel = "";
        int local = 0;
        for (String line : log.lines().toList()) {
            if (!line.isBlank() && !line.startsWith("ptxas info") && !line.startsWith("ptxas   ")) {
                throw new IllegalArgumentException("the compiler says: " + log);
            }
            kernel = find(ENTRY, line).map(found -> found.group(1)).orElse(kernel);
            local =
                    find(PROPERTIES, line)
                            .map(found -> number(found, 1) + number(found, 2) + number(found, 3))
                            .orElse(local);
            Matcher used = USED.matcher(line);
            if (used.find()) {
                int shared = find(SHARED, line).map(found -> number(found, 1)).orElse(0);
                all.add(new KernelResources(kernel, number(used, 1), shared, local));
            }
        }
        all.sort(Comparator.comparing(KernelResources::kernel));
        return List.copyOf(all);
    }

    private static Optional<MatchResult> find(Pattern pattern, String line) {
        return pattern.matcher(line).results().findFirst();
    }

    private static int number(MatchResult found, int group) {
        return Integer.parseInt(found.group(group));
    }
}
