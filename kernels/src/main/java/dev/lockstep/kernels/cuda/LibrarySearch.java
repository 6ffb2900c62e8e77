// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/// The folders that may have CUDA's libraries, in the order of the search: those named by the user,
/// the toolkit's, the loader's, those of Python packages.
///
/// Folders named `stubs` and `compat` are left out: their libraries load and then fail or lie.
public final class LibrarySearch {
    private final List<Path> folders;

    private LibrarySearch(List<Path> folders) {
        this.folders = List.copyOf(folders);
    }

    /// Searches `named` first, then this host.
    public static LibrarySearch of(List<Path> named) {
        return of(named, new HostFolders(Path.of("/"), System.getenv()).all());
    }

    /// Searches `named` and no other folder.
    public static LibrarySearch only(List<Path> named) {
        return of(named, List.of());
    }

    static LibrarySearch of(List<Path> named, List<Path> host) {
        for (Path folder : named) {
            if (isStandIn(folder)) {
                throw new CudaUnavailableException(
                        "--cuda-libraries names %s, a folder of stand-ins".formatted(folder),
                        "name the folder of the libraries themselves");
            }
            if (!Files.isDirectory(folder)) {
                throw new CudaUnavailableException(
                        "--cuda-libraries names %s, which is no folder".formatted(folder),
                        "name the folder that has " + CudaLibrary.RUNTIME.soname());
            }
        }
        var folders = new LinkedHashSet<Path>();
        Stream.concat(named.stream(), host.stream())
                .filter(folder -> !isStandIn(folder) && Files.isDirectory(folder))
                .map(Path::toAbsolutePath)
                .forEach(folders::add);
        return new LibrarySearch(List.copyOf(folders));
    }

    /// Parses a list of folders as in `PATH`.
    public static List<Path> parse(String list) {
        return Stream.of(list.split(File.pathSeparator))
                .filter(part -> !part.isBlank())
                .map(Path::of)
                .toList();
    }

    public List<Path> folders() {
        return folders;
    }

    public Optional<Path> find(CudaLibrary library) {
        return folders.stream()
                .map(folder -> folder.resolve(library.soname()))
                .filter(Files::isRegularFile)
                .findFirst();
    }

    public Path require(CudaLibrary library) {
        return find(library).orElseThrow(() -> missing(library));
    }

    CudaUnavailableException missing(CudaLibrary library) {
        return new CudaUnavailableException(
                "%s was not found in %s"
                        .formatted(
                                library.soname(),
                                folders.isEmpty()
                                        ? "any folder"
                                        : String.join(
                                                ", ",
                                                folders.stream().map(Path::toString).toList())),
                library.remedy());
    }

    private static boolean isStandIn(Path folder) {
        for (Path part : folder) {
            String name = part.toString();
            if (name.equals("stubs") || name.equals("compat")) {
                return true;
            }
        }
        return false;
    }

    /// Where a Linux host usually keeps libraries; `root` and `environment` are a test's.
    record HostFolders(Path root, Map<String, String> environment) {

        List<Path> all() {
            var all = new ArrayList<Path>();
            all.addAll(toolkit());
            all.addAll(loader());
            all.addAll(python());
            return all;
        }

        private List<Path> toolkit() {
            var homes = new ArrayList<Path>();
            for (String variable : List.of("CUDA_HOME", "CUDA_PATH")) {
                variable(variable).forEach(homes::add);
            }
            homes.add(root.resolve("usr/local/cuda"));
            homes.addAll(Folders.matching(root.resolve("usr/local"), "cuda-13*").reversed());
            var toolkit = new ArrayList<Path>();
            for (Path home : homes) {
                toolkit.add(home.resolve("lib64"));
                toolkit.add(home.resolve("targets/x86_64-linux/lib"));
            }
            return toolkit;
        }

        private List<Path> loader() {
            var loader = new ArrayList<Path>(variable("LD_LIBRARY_PATH"));
            loader.addAll(Folders.ofLoader(root, root.resolve("etc/ld.so.conf")));
            for (String folder :
                    List.of(
                            "lib/x86_64-linux-gnu",
                            "usr/lib/x86_64-linux-gnu",
                            "lib64",
                            "usr/lib64",
                            "lib",
                            "usr/lib")) {
                loader.add(root.resolve(folder));
            }
            return loader;
        }

        private List<Path> python() {
            var prefixes = new LinkedHashSet<Path>();
            for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
                prefixes.addAll(variable(variable));
            }
            for (Path folder : variable("PATH")) {
                if (Files.exists(folder.resolve("python3")) && folder.getParent() != null) {
                    prefixes.add(folder.getParent());
                }
            }
            for (Path home : variable("HOME")) {
                prefixes.add(home.resolve(".local"));
                prefixes.addAll(Folders.matching(home.resolve(".pyenv/versions"), "*"));
            }
            prefixes.add(root.resolve("usr/local"));
            prefixes.add(root.resolve("usr"));
            var python = new ArrayList<Path>();
            for (Path prefix : prefixes) {
                for (Path version :
                        Folders.matching(prefix.resolve("lib"), "python3*").reversed()) {
                    for (String packages : List.of("site-packages", "dist-packages")) {
                        Path nvidia = version.resolve(packages).resolve("nvidia");
                        python.add(nvidia.resolve("cu13/lib"));
                        python.add(nvidia.resolve("nccl/lib"));
                    }
                }
            }
            return python;
        }

        private List<Path> variable(String name) {
            String value = environment.get(name);
            return value == null ? List.of() : parse(value);
        }
    }
}
