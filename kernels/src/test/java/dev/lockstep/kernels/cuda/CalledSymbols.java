// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.constantpool.MethodRefEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.StringEntry;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Stream;

/// The native functions that classes call, as their class files say, and the list of those that
/// they may call.
public final class CalledSymbols {
    private static final String GLOBAL = "org/bytedeco/cuda/global/";

    private CalledSymbols() {}

    /// An allowed function.
    ///
    /// @param name as Java calls it
    /// @param symbol as its library exports it
    public record Symbol(String library, String name, String symbol) {}

    /// Returns the functions that a CUDA 13.0 host with NCCL 2.27 has, of those that are called.
    public static List<Symbol> allowed() throws IOException {
        var allowed = new ArrayList<Symbol>();
        try (InputStream file = CalledSymbols.class.getResourceAsStream("symbols.txt")) {
            for (String line :
                    new String(requireNonNull(file).readAllBytes(), UTF_8).lines().toList()) {
                if (!line.startsWith("#")) {
                    String[] words = line.split(" ", -1);
                    allowed.add(new Symbol(words[0], words[1], words[words.length - 1]));
                }
            }
        }
        return allowed;
    }

    /// Returns the functions of Bytedeco that the package of `member` calls; every caller must be
    /// one of `callers`.
    public static SortedSet<String> ofBytedeco(Class<?> member, Set<String> callers)
            throws IOException {
        var called = new TreeSet<String>();
        for (ClassModel model : classes(member)) {
            String name = model.thisClass().asInternalName();
            for (PoolEntry entry : model.constantPool()) {
                if (entry instanceof MethodRefEntry method
                        && method.owner().asInternalName().startsWith(GLOBAL)) {
                    assertTrue(
                            callers.contains(name.substring(name.lastIndexOf('/') + 1)),
                            name + " calls native code");
                    called.add(method.name().stringValue());
                }
            }
        }
        return called;
    }

    /// Returns the functions that a class calls by names in its constants.
    static SortedSet<String> byName(Class<?> caller) throws IOException {
        var names = new TreeSet<String>();
        for (PoolEntry entry : parse(file(caller)).constantPool()) {
            if (entry instanceof StringEntry string
                    && string.stringValue().matches("(cu|nvrtc)[A-Z]\\w+")) {
                names.add(string.stringValue());
            }
        }
        return names;
    }

    private static List<ClassModel> classes(Class<?> member) throws IOException {
        try (Stream<Path> files = Files.list(requireNonNull(file(member).getParent()))) {
            var models = new ArrayList<ClassModel>();
            for (Path file : files.filter(path -> path.toString().endsWith(".class")).toList()) {
                models.add(parse(file));
            }
            return models;
        }
    }

    private static ClassModel parse(Path file) throws IOException {
        return ClassFile.of().parse(file);
    }

    private static Path file(Class<?> type) {
        try {
            return Path.of(
                    requireNonNull(type.getResource(type.getSimpleName() + ".class")).toURI());
        } catch (URISyntaxException failure) {
            throw new AssertionError(failure);
        }
    }
}
