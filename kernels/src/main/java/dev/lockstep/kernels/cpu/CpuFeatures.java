// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/// The CPU's name and flags from `/proc/cpuinfo`; the kernel omits flags whose state the operating
/// system does not save.
record CpuFeatures(String name, Set<String> flags) {

    CpuFeatures {
        flags = Set.copyOf(flags);
    }

    static CpuFeatures current() {
        return Current.FEATURES;
    }

    /// Returns the flags that `set` needs and this CPU lacks.
    Set<String> missing(InstructionSet set) {
        var missing = new TreeSet<>(set.cpuFlags());
        missing.removeAll(flags);
        return missing;
    }

    /// Reads a core's lines; ARM names its flags "Features".
    static CpuFeatures parse(List<String> lines) {
        return new CpuFeatures(
                value(lines, "model name", System.getProperty("os.arch")),
                Set.copyOf(
                        List.of(value(lines, "flags", value(lines, "Features", "")).split(" "))));
    }

    private static String value(List<String> lines, String key, String otherwise) {
        for (String line : lines) {
            int colon = line.indexOf(':');
            if (colon > 0 && line.substring(0, colon).strip().equals(key)) {
                return line.substring(colon + 1).strip();
            }
        }
        return otherwise;
    }

    private static final class Current {
        static final CpuFeatures FEATURES = read(Path.of("/proc/cpuinfo"));

        private static CpuFeatures read(Path file) {
            try (Stream<String> lines = Files.lines(file)) {
                // The first core's paragraph is enough: the flags we use are the same on all cores.
                return parse(lines.takeWhile(line -> !line.isBlank()).toList());
            } catch (IOException _) {
                return parse(List.of());
            }
        }
    }
}
