// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// CUDA's libraries of this process: opened once, each from one file, before the first Bytedeco
/// class.
///
/// A library that is open satisfies every later need of its soname, so the order of the loader's
/// and Bytedeco's own searches does not matter. Bytedeco reads its settings from system properties
/// when its first class is initialized; they are set here, so a process needs no options.
public final class CudaLibraries {
    private static final Logger LOG = LogManager.getLogger(CudaLibraries.class);
    private static final String BYTEDECO = "org.bytedeco.javacpp.";

    private static @Nullable CudaLibraries opened;

    private final Map<CudaLibrary, Path> files;
    private final Map<CudaLibrary, SymbolLookup> symbols;

    private CudaLibraries(Map<CudaLibrary, Path> files, Map<CudaLibrary, SymbolLookup> symbols) {
        this.files = files;
        this.symbols = symbols;
    }

    /// Opens the libraries of a rank; `nccl` says whether it has others to talk to. A later call
    /// returns what the first has opened, and NCCL if that was not opened before.
    ///
    /// @param cache a folder of this user's, for Bytedeco's glue and links to the libraries
    public static synchronized CudaLibraries open(LibrarySearch search, Path cache, boolean nccl) {
        CudaLibraries before = opened;
        if (before != null && (!nccl || before.files.containsKey(CudaLibrary.NCCL))) {
            return before;
        }
        requireLazyBinding(System.getenv("LD_BIND_NOW"));
        Map<CudaLibrary, Path> files = locate(search, nccl);
        if (before != null) {
            files.putAll(before.files);
        }
        var symbols = new EnumMap<CudaLibrary, SymbolLookup>(CudaLibrary.class);
        files.forEach((library, file) -> symbols.put(library, open(library, file)));
        if (before == null) {
            configureBytedeco(cache, files);
        } else {
            link(Path.of(System.getProperty(BYTEDECO + "platform.linkpath")), files);
        }
        var libraries = new CudaLibraries(files, symbols);
        opened = libraries;
        LOG.info(
                "CUDA libraries: {}",
                files.values().stream().map(Path::toString).collect(Collectors.joining(", ")));
        return libraries;
    }

    /// Finds the file of every library that a rank needs, in the order of opening.
    static Map<CudaLibrary, Path> locate(LibrarySearch search, boolean nccl) {
        var files = new EnumMap<CudaLibrary, Path>(CudaLibrary.class);
        for (CudaLibrary library : CudaLibrary.values()) {
            if (library != CudaLibrary.NCCL || nccl) {
                files.put(library, search.require(library));
            }
        }
        return files;
    }

    /// Returns the file that a library was opened from.
    public Path file(CudaLibrary library) {
        Path file = files.get(library);
        if (file == null) {
            throw new IllegalStateException(library.soname() + " was not opened");
        }
        return file;
    }

    SymbolLookup symbols(CudaLibrary library) {
        Path file = file(library);
        SymbolLookup lookup = symbols.get(library);
        if (lookup == null) {
            throw new IllegalStateException("%s was not opened".formatted(file));
        }
        return lookup;
    }

    /// Throws unless this process has mapped each library from the file opened here, and no other.
    /// NVRTC, which nothing but [Nvrtc] opens, may be there twice.
    public void requireOneCopyEach() {
        try {
            requireOneCopyEach(Files.readAllLines(Path.of("/proc/self/maps")), files);
        } catch (IOException failure) {
            throw new UncheckedIOException("cannot read /proc/self/maps", failure);
        }
    }

    static void requireOneCopyEach(List<String> maps, Map<CudaLibrary, Path> files) {
        List<Path> mapped =
                maps.stream()
                        .filter(line -> line.indexOf('/') >= 0)
                        .map(line -> Path.of(line.substring(line.indexOf('/'))))
                        .distinct()
                        .toList();
        files.forEach(
                (library, file) -> {
                    if (library == CudaLibrary.NVRTC) {
                        return;
                    }
                    String name =
                            library.soname().substring(0, library.soname().indexOf(".so") + 3);
                    Path real = real(file);
                    for (Path other : mapped) {
                        String otherName = String.valueOf(other.getFileName());
                        boolean same = otherName.equals(name) || otherName.startsWith(name + ".");
                        if (same && !other.equals(real)) {
                            throw new CudaUnavailableException(
                                    "this process has two copies of %s, %s and %s"
                                            .formatted(library.soname(), real, other),
                                    "take one of them out of the loader's folders, or name its folder with --cuda-libraries");
                        }
                    }
                });
    }

    /// Throws if the loader is told to resolve every symbol at once: Bytedeco's glue names
    /// functions that are newer than CUDA 13.0 and never called.
    static void requireLazyBinding(@Nullable String bindNow) {
        if (bindNow != null && !bindNow.isEmpty()) {
            throw new CudaUnavailableException(
                    "LD_BIND_NOW is set, with which CUDA's libraries cannot be loaded", "unset it");
        }
    }

    @SuppressWarnings("restricted")
    private static SymbolLookup open(CudaLibrary library, Path file) {
        try {
            if (library == CudaLibrary.NVRTC) {
                Nvrtc.openBuiltins(file);
            }
            return SymbolLookup.libraryLookup(file, Arena.global());
        } catch (IllegalArgumentException failure) {
            var problem =
                    new CudaUnavailableException(
                            "%s cannot be loaded".formatted(file), library.remedy());
            problem.initCause(failure);
            throw problem;
        }
    }

    private static void configureBytedeco(Path cache, Map<CudaLibrary, Path> files) {
        String chosen =
                files.values().stream().map(Path::toString).collect(Collectors.joining(":"));
        Path links = cache.resolve("libraries-" + digest(chosen));
        Path glue = cache.resolve("javacpp");
        link(links, files);
        try {
            Folders.createPrivate(glue);
        } catch (IOException failure) {
            throw new UncheckedIOException("cannot write to " + glue, failure);
        }
        System.setProperty(BYTEDECO + "platform.linkpath", links.toString());
        System.setProperty(BYTEDECO + "cachedir", glue.toString());
        // By default Bytedeco collects garbage and fails when the process's memory, pinned and
        // mapped pages included, exceeds a multiple of the heap.
        System.setProperty(BYTEDECO + "nopointergc", "true");
        System.setProperty(BYTEDECO + "maxBytes", "0");
        System.setProperty(BYTEDECO + "maxPhysicalBytes", "0");
    }

    /// Makes one folder that has a link to each library, for Bytedeco to find them in.
    private static void link(Path folder, Map<CudaLibrary, Path> files) {
        try {
            Folders.createPrivate(folder);
            for (Map.Entry<CudaLibrary, Path> entry : files.entrySet()) {
                Path link = folder.resolve(entry.getKey().soname());
                try {
                    Files.createSymbolicLink(link, entry.getValue());
                } catch (FileAlreadyExistsException made) {
                    if (!link.toRealPath().equals(real(entry.getValue()))) {
                        throw new CudaUnavailableException(
                                "%s is no link to %s".formatted(link, entry.getValue()),
                                "delete it");
                    }
                }
            }
        } catch (IOException failure) {
            throw new UncheckedIOException("cannot write to " + folder, failure);
        }
    }

    private static Path real(Path file) {
        try {
            return file.toRealPath();
        } catch (IOException failure) {
            throw new UncheckedIOException("cannot resolve " + file, failure);
        }
    }

    private static String digest(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8));
            return HexFormat.of().formatHex(digest, 0, 8);
        } catch (NoSuchAlgorithmException failure) {
            throw new IllegalStateException("every JDK has SHA-256", failure);
        }
    }
}
