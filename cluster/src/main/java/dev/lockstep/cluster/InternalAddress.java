// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Optional;

/// Where a process listens for other processes of its cluster: on a Unix socket, and on TCP if it
/// has `--internal-host`.
///
/// @param socket path of the Unix socket, in a folder that only its user enters
/// @param host address to listen on; empty for no TCP
/// @param port 0 for any free one
public record InternalAddress(Path socket, Optional<String> host, int port) {
    private static final String FOLDER = "sockets";

    public InternalAddress {
        int bytes = socket.toString().getBytes(StandardCharsets.UTF_8).length;
        if (bytes > MemberAddress.LONGEST_SOCKET_PATH) {
            throw new SettingsException(
                    "--run-folder: the Unix socket %s would have a path of %d bytes, at most %d are possible: choose a shorter folder"
                            .formatted(socket, bytes, MemberAddress.LONGEST_SOCKET_PATH));
        }
    }

    /// Returns the address of a process with the settings.
    ///
    /// @param name part of the name of its socket; short, because the path is limited
    public static InternalAddress of(Settings settings, Path runFolder, String name) {
        return new InternalAddress(
                socket(runFolder, name),
                settings.find(ProcessKeys.INTERNAL_HOST),
                settings.value(ProcessKeys.INTERNAL_PORT));
    }

    /// Returns an address without TCP.
    public static InternalAddress unix(Path runFolder, String name) {
        return new InternalAddress(socket(runFolder, name), Optional.empty(), 0);
    }

    /// The name differs for each start: a process that ends never removes the socket of its
    /// successor.
    private static Path socket(Path runFolder, String name) {
        String start = HexFormat.of().toHexDigits((int) Randomness.secure().nextLong());
        return runFolder.toAbsolutePath().resolve(FOLDER).resolve(name + "-" + start + ".sock");
    }

    @Override
    public String toString() {
        return socket + host.map(name -> " and " + name + ":" + port).orElse("");
    }
}
