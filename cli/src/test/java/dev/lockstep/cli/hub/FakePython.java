// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/// A command that accepts pip's arguments and "downloads" a wheel that this class creates.
final class FakePython {
    private final Path folder;

    FakePython(Path folder) {
        this.folder = folder;
    }

    /// Creates a Python with pip whose download runs `script`, with the target folder in `$dest`.
    String withDownload(String script) throws IOException {
        return command(
                """
                if [ "$3" = --version ]; then exit 0; fi
                echo "$@" >> '%s'
                while [ "$1" != --dest ]; do shift; done
                dest=$2
                %s
                """
                        .formatted(calls(), script));
    }

    /// Creates a Python whose download is a wheel with this one file.
    String withWheel(String entry, String content) throws IOException {
        Path wheel = folder.resolve("package-1.0-py3-none-any.whl");
        try (OutputStream out = Files.newOutputStream(wheel);
                var zip = new ZipOutputStream(out)) {
            zip.putNextEntry(new ZipEntry(entry));
            zip.write(content.getBytes(StandardCharsets.UTF_8));
            zip.closeEntry();
        }
        return withDownload("cp '" + wheel + "' \"$dest\"");
    }

    String withoutPip() throws IOException {
        return command("echo 'No module named pip' >&2; exit 1");
    }

    /// Returns the arguments of every download, one line each.
    String downloads() throws IOException {
        return Files.exists(calls()) ? Files.readString(calls()) : "";
    }

    private Path calls() {
        return folder.resolve("calls");
    }

    private String command(String script) throws IOException {
        Path file = folder.resolve("python");
        Files.writeString(file, "#!/bin/sh\n" + script);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwx------"));
        return file.toString();
    }
}
