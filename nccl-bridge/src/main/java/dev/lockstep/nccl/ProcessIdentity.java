// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// A process, distinguished from a later one with the same number by its start time.
///
/// @param startTicks clock ticks after boot
/// @param namespace the process-number namespace; numbers mean nothing outside it
record ProcessIdentity(long pid, long startTicks, long namespace) {
    private static final long OWN_NAMESPACE = ownNamespace();

    static ProcessIdentity own() {
        try {
            return new ProcessIdentity(
                    ProcessHandle.current().pid(), startTicks(stat("self")), OWN_NAMESPACE);
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "/proc/self/stat cannot be read; ranks watch each other through /proc", e);
        }
    }

    /// Returns whether the process has ended, reaped by its parent or not. A process in another
    /// namespace cannot be seen and counts as running; only its heartbeat shows its end.
    boolean isGone() {
        if (namespace != OWN_NAMESPACE) {
            return false;
        }
        try {
            List<String> stat = stat(Long.toString(pid));
            String state = stat.getFirst();
            return state.equals("Z") || state.equals("X") || startTicks(stat) != startTicks;
        } catch (IOException e) {
            return true;
        }
    }

    /// Returns the fields of `/proc/pid/stat` from the state on; the command that precedes it may
    /// contain any character.
    private static List<String> stat(String pid) throws IOException {
        String text = Files.readString(Path.of("/proc", pid, "stat"));
        return List.of(text.substring(text.lastIndexOf(')') + 2).split(" "));
    }

    private static long startTicks(List<String> stat) {
        return Long.parseLong(stat.get(19));
    }

    private static long ownNamespace() {
        try {
            String link = Files.readSymbolicLink(Path.of("/proc/self/ns/pid")).toString();
            return Long.parseLong(link.replaceAll("[^0-9]", ""));
        } catch (IOException e) {
            return 0; // A kernel without namespaces has one.
        }
    }
}
