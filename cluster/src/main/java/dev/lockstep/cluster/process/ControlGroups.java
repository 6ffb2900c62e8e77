// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// The limits of the control groups of this process, versions 1 and 2: those of a container, and
/// those of all groups that it can see around its own. The lowest limit applies.
final class ControlGroups {
    private static final Logger LOG = LogManager.getLogger(ControlGroups.class);

    /// `mountinfo` writes white space and backslashes as three octal digits.
    private static final Pattern ESCAPE = Pattern.compile("\\\\([0-7]{3})");

    /// Version 1 says "no limit" with the largest whole number of pages.
    private static final long UNLIMITED = 1L << 62;

    private static final String LIMIT_1 = "memory.limit_in_bytes";

    private static final String MAX = "max";

    private final Path root;

    /// @param root of the file system; tests have their own
    ControlGroups(Path root) {
        this.root = root;
    }

    /// Returns the bytes that may still be allocated, where there is a limit. Pages of files count
    /// as free: the kernel drops them first.
    OptionalLong availableBytes() {
        return lowest("memory", ControlGroups::room);
    }

    /// Returns the bytes that may be allocated in all, where there is a limit.
    OptionalLong limitBytes() {
        return lowest("memory", ControlGroups::limit);
    }

    /// Returns the number of CPUs whose time the quota allows, rounded up, where there is one.
    OptionalInt cpus() {
        OptionalLong cpus = lowest("cpu", ControlGroups::quota);
        return cpus.isPresent()
                ? OptionalInt.of(Math.clamp(cpus.getAsLong(), 1, Integer.MAX_VALUE))
                : OptionalInt.empty();
    }

    private OptionalLong lowest(String controller, Function<Path, OptionalLong> limit) {
        return folders(controller).stream().map(limit).flatMapToLong(OptionalLong::stream).min();
    }

    private static OptionalLong limit(Path folder) {
        OptionalLong limit =
                isVersion1(folder)
                        ? number(folder, LIMIT_1)
                        : min(number(folder, "memory.max"), number(folder, "memory.high"));
        return limit.isEmpty() || limit.getAsLong() >= UNLIMITED ? OptionalLong.empty() : limit;
    }

    private static boolean isVersion1(Path folder) {
        return Files.exists(folder.resolve(LIMIT_1));
    }

    private static OptionalLong room(Path folder) {
        OptionalLong limit = limit(folder);
        if (limit.isEmpty()) {
            return OptionalLong.empty();
        }
        boolean version1 = isVersion1(folder);
        String prefix = version1 ? "total_" : "";
        long used = number(folder, version1 ? "memory.usage_in_bytes" : "memory.current").orElse(0);
        long droppable =
                statistic(folder, prefix + "inactive_file")
                        + statistic(folder, prefix + "active_file");
        return OptionalLong.of(Math.max(0, limit.getAsLong() - Math.max(0, used - droppable)));
    }

    private static OptionalLong min(OptionalLong a, OptionalLong b) {
        return a.isEmpty() || (b.isPresent() && b.getAsLong() < a.getAsLong()) ? b : a;
    }

    private static OptionalLong quota(Path folder) {
        Optional<String> max = text(folder, "cpu.max");
        if (max.isEmpty()) {
            return cpus(number(folder, "cpu.cfs_quota_us"), number(folder, "cpu.cfs_period_us"));
        }
        String[] words = max.get().split(" ", -1);
        return words.length < 2 || words[0].equals(MAX)
                ? OptionalLong.empty()
                : cpus(
                        number(folder, "cpu.max", words[0]).findFirst(),
                        number(folder, "cpu.max", words[1]).findFirst());
    }

    private static OptionalLong cpus(OptionalLong quota, OptionalLong period) {
        return quota.orElse(0) <= 0 || period.orElse(0) <= 0
                ? OptionalLong.empty()
                : OptionalLong.of(Math.ceilDiv(quota.getAsLong(), period.getAsLong()));
    }

    /// Returns the folders of the process's group for a controller and of all groups around it,
    /// from the inside out.
    private List<Path> folders(String controller) {
        Optional<Membership> membership = membership(controller);
        Optional<Mount> mount =
                membership.flatMap(
                        each -> mount(each.isVersion1() ? controller : "", each.isVersion1()));
        if (mount.isEmpty()) {
            return List.of();
        }
        Path top = root.resolve(mount.get().point().substring(1)).normalize();
        Path own = top.resolve(mount.get().below(membership.get().path())).normalize();
        if (!own.startsWith(top) || Files.notExists(own)) {
            // The group's path is not visible here, its folder is the mount itself.
            own = top;
        }
        List<Path> folders = new ArrayList<>();
        for (Path each = own; each != null && each.startsWith(top); each = each.getParent()) {
            folders.add(each);
        }
        return folders;
    }

    /// A line of `/proc/self/cgroup`.
    private record Membership(boolean isVersion1, String path) {}

    /// Returns the hierarchy of version 1 that has the controller, else the one of version 2.
    private Optional<Membership> membership(String controller) {
        Optional<Membership> unified = Optional.empty();
        for (String line : lines("proc/self/cgroup")) {
            String[] fields = line.split(":", 3);
            if (fields.length < 3) {
                continue;
            }
            if (fields[1].isEmpty()) {
                unified = Optional.of(new Membership(false, fields[2]));
            } else if (Arrays.asList(fields[1].split(",", -1)).contains(controller)) {
                return Optional.of(new Membership(true, fields[2]));
            }
        }
        return unified;
    }

    /// Where a hierarchy is mounted.
    ///
    /// @param top the path of the group whose folder is the mount point
    private record Mount(String top, String point) {
        /// Returns the path of a group relative to the mount point.
        String below(String path) {
            String prefix = top.equals("/") ? "" : top;
            return path.startsWith(prefix + "/") ? path.substring(prefix.length() + 1) : "";
        }
    }

    private Optional<Mount> mount(String controller, boolean isVersion1) {
        for (String line : lines("proc/self/mountinfo")) {
            int separator = line.indexOf(" - ");
            String[] mount = line.split(" ", -1);
            String[] system = line.substring(Math.max(0, separator + 3)).split(" ", -1);
            if (separator < 0 || mount.length < 5 || system.length < 3) {
                continue;
            }
            boolean matches =
                    isVersion1
                            ? system[0].equals("cgroup")
                                    && Arrays.asList(system[2].split(",", -1)).contains(controller)
                            : system[0].equals("cgroup2");
            if (matches) {
                return Optional.of(new Mount(unescape(mount[3]), unescape(mount[4])));
            }
        }
        return Optional.empty();
    }

    private static String unescape(String path) {
        return ESCAPE.matcher(path)
                .replaceAll(
                        match -> {
                            char character = (char) Integer.parseInt(match.group(1), 8);
                            return Matcher.quoteReplacement(String.valueOf(character));
                        });
    }

    /// Returns the lines of a file; none on a kernel without control groups.
    private List<String> lines(String file) {
        return text(root, file).map(text -> text.lines().toList()).orElse(List.of());
    }

    private static long statistic(Path folder, String name) {
        return text(folder, "memory.stat").stream()
                .flatMap(String::lines)
                .filter(line -> line.startsWith(name + " "))
                .flatMapToLong(line -> number(folder, "memory.stat", line.substring(name.length())))
                .findFirst()
                .orElse(0);
    }

    private static OptionalLong number(Path folder, String file) {
        return text(folder, file).filter(each -> !each.equals(MAX)).stream()
                .flatMapToLong(text -> number(folder, file, text))
                .findFirst();
    }

    private static LongStream number(Path folder, String file, String text) {
        try {
            return LongStream.of(Long.parseLong(text.strip()));
        } catch (NumberFormatException e) {
            LOG.warn("{} in {} is not a number, and is passed over", text, folder.resolve(file));
            return LongStream.empty();
        }
    }

    /// Returns the content of a file; empty if the group does not have it: the outermost group of
    /// version 2 has no limits.
    private static Optional<String> text(Path folder, String file) {
        try {
            return Optional.of(Files.readString(folder.resolve(file)).strip());
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            LOG.warn("Cannot read {}, which may limit this process", folder.resolve(file), e);
            return Optional.empty();
        }
    }
}
