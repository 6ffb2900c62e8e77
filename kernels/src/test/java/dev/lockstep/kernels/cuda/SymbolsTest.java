// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.util.stream.Collectors.toCollection;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.constantpool.MemberRefEntry;
import java.lang.classfile.constantpool.MethodRefEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.classfile.constantpool.StringEntry;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The C functions that the bindings call are those of a list, in which each is of CUDA 13.0,
/// driver 580 or NCCL 2.27: one that a host lacks ends the process when it is called.
final class SymbolsTest {
    private static final String GLOBAL = "org/bytedeco/cuda/global/";
    private static final Set<String> CALLERS =
            Set.of("dev/lockstep/kernels/cuda/Cuda", "dev/lockstep/kernels/cuda/CublasLt");

    @Test
    void bindingsCallTheFunctionsOfTheListAndNoOthers() throws IOException, URISyntaxException {
        Map<String, String> listed = listed();
        var called = new TreeSet<String>();
        for (ClassModel model : classes()) {
            String name = model.thisClass().asInternalName();
            members(
                    model,
                    member -> {
                        String owner = member.owner().asInternalName();
                        if (owner.startsWith(GLOBAL) && member instanceof MethodRefEntry) {
                            assertTrue(CALLERS.contains(name), name + " calls native code");
                            called.add(member.name().stringValue());
                        }
                    });
            if (name.endsWith("/DriverLibrary") || name.endsWith("/Nvrtc")) {
                called.addAll(functionNames(model));
            }
        }
        Set<String> expected =
                listed.keySet().stream()
                        .filter(function -> !function.startsWith("nccl"))
                        .collect(toCollection(TreeSet::new));
        assertEquals(expected, called);
    }

    @Test
    void theEmulatedLibrariesHaveEveryFunctionOfTheList() throws IOException {
        for (Map.Entry<String, String> entry : listed().entrySet()) {
            String[] place = entry.getValue().split(" ");
            Path library = EmulatedCuda.folder().resolve(place[0]);
            assertTrue(
                    java.lang.foreign.SymbolLookup.libraryLookup(
                                    library, java.lang.foreign.Arena.global())
                            .find(place[1])
                            .isPresent(),
                    place[1] + " of " + library);
        }
    }

    /// Returns library and C function by the name that Java calls.
    static Map<String, String> listed() throws IOException {
        var listed = new HashMap<String, String>();
        try (InputStream file = SymbolsTest.class.getResourceAsStream("symbols.txt")) {
            for (String line : new String(file.readAllBytes()).lines().toList()) {
                if (!line.startsWith("#")) {
                    String[] words = line.split(" ");
                    listed.put(words[1], words[0] + " " + words[words.length - 1]);
                }
            }
        }
        return listed;
    }

    private static List<ClassModel> classes() throws IOException, URISyntaxException {
        Path folder =
                Path.of(Cuda.class.getResource("Cuda.class").toURI()).toAbsolutePath().getParent();
        var models = new ArrayList<ClassModel>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(SymbolsTest::isClass).toList()) {
                models.add(ClassFile.of().parse(file));
            }
        } catch (UncheckedIOException failure) {
            throw failure.getCause();
        }
        assertTrue(models.size() > 10);
        return models;
    }

    private static boolean isClass(Path file) {
        return file.toString().endsWith(".class");
    }

    private static void members(ClassModel model, Consumer<MemberRefEntry> each) {
        for (PoolEntry entry : model.constantPool()) {
            if (entry instanceof MemberRefEntry member) {
                each.accept(member);
            }
        }
    }

    private static List<String> functionNames(ClassModel model) {
        var names = new ArrayList<String>();
        for (PoolEntry entry : model.constantPool()) {
            if (entry instanceof StringEntry string
                    && string.stringValue().matches("(cu|nvrtc)[A-Z]\\w+")) {
                names.add(string.stringValue());
            }
        }
        return names;
    }
}
