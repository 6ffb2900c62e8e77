// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cluster.ClusterCertificates;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/// Makes the certificates with which the processes of a cluster on several hosts prove their roles.
final class CertificatesCommand extends Command {
    CertificatesCommand() {
        super(
                "certificates",
                "FOLDER",
                "make the certificates of a cluster on several hosts, for --tls-folder",
                SettingsSpec.of().takingArguments("FOLDER"));
    }

    @Override
    int run(List<String> arguments) throws IOException, InterruptedException {
        Settings settings = settings(arguments);
        if (settings.arguments().size() != 1) {
            throw new SettingsException("name one folder: lockstep certificates FOLDER");
        }
        Path folder = Path.of(settings.arguments().getFirst()).toAbsolutePath();
        ClusterCertificates.make(folder);
        System.out.println(
                "Copy coordinator.p12, scheduler.p12 and worker.p12 of "
                        + folder
                        + " to the hosts of these processes; keep ca.p12 elsewhere.");
        return ExitCode.OK;
    }
}
