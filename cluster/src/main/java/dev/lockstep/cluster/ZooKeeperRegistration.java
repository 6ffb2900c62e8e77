// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.io.IOException;
import java.util.Arrays;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// A member's node in ZooKeeper; [#reconcile] brings it to the wanted content after each change.
final class ZooKeeperRegistration implements Registration {

    private static final Logger LOG = LogManager.getLogger(ZooKeeperRegistration.class);

    private final ZooKeeperTree tree;
    private final Runnable wantedChanged;
    private final String path;
    private volatile Member wanted;
    private volatile byte[] json;
    private volatile boolean withdrawn;
    private volatile boolean gone;

    /// @param wantedChanged schedules a [#reconcile]
    ZooKeeperRegistration(
            ZooKeeperTree tree, String folder, Member member, Runnable wantedChanged) {
        this.tree = tree;
        this.wantedChanged = wantedChanged;
        wanted = member;
        json = MemberJson.write(member);
        path =
                String.join(
                        "-",
                        folder + "/" + member.role().word(),
                        member.group(),
                        Integer.toString(member.rank()),
                        member.incarnation());
    }

    String path() {
        return path;
    }

    /// Returns whether it was closed and its node removed, so that nothing remains to reconcile.
    boolean gone() {
        return gone;
    }

    /// Creates, changes, renews or removes the node.
    ///
    /// @param found the node as read
    /// @return whether the node changed
    boolean reconcile(Optional<ZooKeeperTree.Node> found) throws IOException, InterruptedException {
        byte[] data = json;
        if (withdrawn) {
            if (found.isPresent()) {
                tree.delete(path);
            }
            gone = true;
            return found.isPresent();
        }
        if (found.isPresent() && found.get().owner() == tree.session()) {
            boolean same = Arrays.equals(found.get().data(), data);
            return !same && tree.write(path, data, found.get().version());
        }
        LOG.info("announcing {}", wanted.describe());
        // An existing node belongs to a lost session of this process and would vanish with it. If
        // it vanishes in between, that is another change, and reconcile runs again.
        return found.isPresent() ? tree.renew(path, data) : tree.create(path, data, true);
    }

    @Override
    public Member member() {
        return wanted;
    }

    @Override
    public void update(Member changed) {
        Registration.requireSame(wanted, changed);
        json = MemberJson.write(changed);
        wanted = changed;
        wantedChanged.run();
    }

    @Override
    public void close() {
        withdrawn = true;
        wantedChanged.run();
    }
}
