// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.OwnerOnly;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// Makes the certificate authority of a cluster and one certificate for each role, with the JDK's
/// `keytool`.
///
/// ```
/// ca.p12                                        the authority's key: not needed by any process
/// coordinator.p12, scheduler.p12, worker.p12    key and certificate of a role, and the authority
/// ```
public final class ClusterCertificates {
    /// The files' permissions protect them; the password is no secret.
    static final String PASSWORD = "lockstep";

    private static final String YEARS = "3650";

    private final Path folder;

    private ClusterCertificates(Path folder) {
        this.folder = folder;
    }

    /// Writes the files of a new authority.
    ///
    /// @param folder empty or missing; becomes its owner's alone
    /// @throws IOException when the folder has files, or these cannot be written
    public static void make(Path folder) throws IOException, InterruptedException {
        Files.createDirectories(folder, OwnerOnly.FOLDER);
        try (Stream<Path> files = Files.list(folder)) {
            if (files.findAny().isPresent()) {
                throw new IOException(folder + " is not empty: name another folder");
            }
        }
        // Everything is private before it exists.
        Files.setPosixFilePermissions(folder, OwnerOnly.FOLDER.value());
        new ClusterCertificates(folder).make();
    }

    static String fileName(Member.Role role) {
        return role.word() + ".p12";
    }

    /// Returns the name in a role's certificate, which a peer compares.
    static String name(Member.Role role) {
        return role.word() + ".lockstep";
    }

    private void make() throws IOException, InterruptedException {
        genKey("ca", "ca.p12", "-ext", "bc:c=ca:true", "-ext", "ku:c=keyCertSign");
        keytool("-exportcert", "-rfc", "-alias", "ca", "-file", "ca.pem", "-keystore", "ca.p12");
        for (Member.Role role : Member.Role.values()) {
            String word = role.word();
            String store = fileName(role);
            String request = word + ".csr";
            String certificate = word + ".pem";
            genKey(word, store);
            keytool("-certreq", "-alias", word, "-file", request, "-keystore", store);
            keytool(
                    "-gencert",
                    "-rfc",
                    "-alias",
                    "ca",
                    "-validity",
                    YEARS,
                    "-ext",
                    "san=dns:" + name(role),
                    "-ext",
                    "eku=serverAuth,clientAuth",
                    "-infile",
                    request,
                    "-outfile",
                    certificate,
                    "-keystore",
                    "ca.p12");
            keytool(
                    "-importcert",
                    "-noprompt",
                    "-alias",
                    "ca",
                    "-file",
                    "ca.pem",
                    "-keystore",
                    store);
            keytool("-importcert", "-alias", word, "-file", certificate, "-keystore", store);
            Files.delete(folder.resolve(request));
            Files.delete(folder.resolve(certificate));
            restrict(store);
        }
        Files.delete(folder.resolve("ca.pem"));
        restrict("ca.p12");
    }

    private void genKey(String alias, String store, String... more)
            throws IOException, InterruptedException {
        List<String> words =
                new ArrayList<>(
                        List.of(
                                "-genkeypair",
                                "-alias",
                                alias,
                                "-keyalg",
                                "EC",
                                "-groupname",
                                "secp256r1",
                                "-dname",
                                "CN=Lockstep " + alias,
                                "-validity",
                                YEARS,
                                "-storetype",
                                "PKCS12",
                                "-keystore",
                                store));
        words.addAll(List.of(more));
        keytool(words.toArray(String[]::new));
    }

    private void restrict(String file) throws IOException {
        Files.setPosixFilePermissions(folder.resolve(file), OwnerOnly.FILE.value());
    }

    private void keytool(String... words) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
        // A short run needs no optimizing compiler.
        command.addAll(List.of("-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"));
        command.addAll(List.of(words));
        command.addAll(List.of("-storepass", PASSWORD));
        Process process =
                new ProcessBuilder(command)
                        .directory(folder.toFile())
                        .redirectErrorStream(true)
                        .start();
        process.getOutputStream().close();
        var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException("keytool failed: " + output.strip());
        }
    }
}
