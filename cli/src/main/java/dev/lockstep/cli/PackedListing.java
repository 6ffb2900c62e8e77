// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.kernels.cpu.PackedFolder;
import dev.lockstep.kernels.cpu.PackedFolder.Held;
import java.io.IOException;
import java.io.PrintStream;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.List;

/// The files of packed weights that workers keep, as `lockstep models` shows and removes them.
final class PackedListing {
    static final String ALL = "all";

    private final PackedFolder folder;
    private final PrintStream out;

    PackedListing(PackedFolder folder, PrintStream out) {
        this.folder = folder;
        this.out = out;
    }

    /// Prints a line for each file, the least recently used first; nothing if there is none.
    void print() {
        List<Held> held = held();
        if (held.isEmpty()) {
            return;
        }
        out.printf(
                "%npacked weights in %s, %s (lockstep models --remove-packed=%s or one name)%n",
                folder.path(), Terminal.bytes(held.stream().mapToLong(Held::bytes).sum()), ALL);
        for (Held file : held) {
            out.printf(
                    "%s  %s, %s, used %s%n",
                    name(file),
                    describe(file),
                    Terminal.bytes(file.bytes()),
                    LocalDate.ofInstant(file.lastUsed(), ZoneId.systemDefault()));
        }
    }

    /// Removes all files, also what killed writers left, those of a model, or one, and prints how
    /// many they were.
    void remove(String name) {
        List<Held> removed =
                held().stream()
                        .filter(each -> name.equals(ALL) || names(each).contains(name))
                        .toList();
        if (removed.isEmpty() && !name.equals(ALL)) {
            throw new SettingsException(
                    "--remove-packed: %s has no packed weights of that name; lockstep models lists them"
                            .formatted(folder.path()));
        }
        try {
            for (Held file : removed) {
                folder.delete(file);
            }
            if (name.equals(ALL)) {
                folder.sweep();
            }
        } catch (IOException failure) {
            throw new UnusableException(
                    "%s cannot be cleared: %s".formatted(folder.path(), failure));
        }
        out.printf(
                "removed %d files of packed weights, %s%n",
                removed.size(), Terminal.bytes(removed.stream().mapToLong(Held::bytes).sum()));
    }

    private List<Held> held() {
        try {
            return folder.list();
        } catch (IOException failure) {
            throw new UnusableException("%s cannot be read: %s".formatted(folder.path(), failure));
        }
    }

    private static List<String> names(Held file) {
        return file.shard()
                .map(shard -> List.of(name(file), shard.model()))
                .orElseGet(() -> List.of(name(file)));
    }

    private static String name(Held file) {
        return String.valueOf(file.file().getFileName());
    }

    private static String describe(Held file) {
        return file.shard()
                .map(
                        shard ->
                                "%s, rank %d of %d, %s"
                                        .formatted(
                                                shard.model(),
                                                shard.rank(),
                                                shard.ranks(),
                                                file.kernels()))
                .orElseGet(() -> "not used: " + file.kernels());
    }
}
