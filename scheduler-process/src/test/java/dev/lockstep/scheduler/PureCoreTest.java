// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.constantpool.Utf8Entry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;

/// The core uses no transport, message, log or thread: whole clusters run in one thread from one
/// seed, and the package `scheduler.process` depends on it, never the other way round.
class PureCoreTest {
    private static final Pattern FORBIDDEN =
            Pattern.compile(
                    "(io/grpc|com/google/protobuf|dev/lockstep/proto|org/apache/logging"
                            + "|dev/lockstep/scheduler/process"
                            + "|java/util/concurrent/(?!TimeUnit\\b)|java/lang/Thread\\b"
                            + "|java/net|java/nio/channels|java/nio/file|java/io/(?!Serializable))"
                            + "[\\w/$]*");

    @Test
    void theCoreReferencesNoTransportMessageLogOrThread() throws Exception {
        List<Path> core = classFiles(Scheduler.class);
        assertTrue(core.size() > 50, core.size() + " classes");
        var found = new TreeSet<String>();
        for (Path file : core) {
            forbidden(file).forEach(name -> found.add(file.getFileName() + " -> " + name));
        }
        assertEquals(List.of(), List.copyOf(found));
    }

    /// The check finds what it looks for.
    @Test
    void theProcessPackageReferencesThem() throws Exception {
        Path process = classFiles(Scheduler.class).getFirst().resolveSibling("process");
        assertTrue(forbidden(process.resolve("StepLoop.class")).size() > 3);
    }

    private static List<Path> classFiles(Class<?> inPackage) throws Exception {
        Path root = Path.of(inPackage.getProtectionDomain().getCodeSource().getLocation().toURI());
        Path folder = root.resolve(inPackage.getPackageName().replace('.', '/'));
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".class")).sorted().toList();
        }
    }

    /// Names in the constant pool that begin with a forbidden package, descriptors included.
    private static List<String> forbidden(Path file) throws IOException {
        var names = new ArrayList<String>();
        StreamSupport.stream(ClassFile.of().parse(file).constantPool().spliterator(), false)
                .filter(Utf8Entry.class::isInstance)
                .map(entry -> ((Utf8Entry) entry).stringValue())
                .forEach(
                        text -> {
                            Matcher matcher = FORBIDDEN.matcher(text);
                            while (matcher.find()) {
                                names.add(matcher.group());
                            }
                        });
        return names;
    }
}
