package dev.lockstep.cluster;

import java.io.IOException;
import java.util.Arrays;
import java.util.Optional;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// A member's node, brought to what is wanted by [#reconcile] whenever something changed.
final class ZooKeeperRegistration implements Registration {

    private static final Logger LOG = LogManager.getLogger(ZooKeeperRegistration.class);

    private final ZooKeeperTree tree;
    private final Runnable wantedChanged;
    private final String path;
    private volatile Member wanted;
    private volatile byte[] json;
    private volatile boolean withdrawn;
    private volatile boolean gone;

    /// @param wantedChanged asks for a [#reconcile] soon
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

    /// Whether it was closed and its node removed: there is nothing left to reconcile.
    boolean gone() {
        return gone;
    }

    /// Makes, changes, renews or removes the node.
    ///
    /// @param there what was read
    /// @return whether anything had to be done
    boolean reconcile(Optional<ZooKeeperTree.Node> there) throws IOException, InterruptedException {
        byte[] data = json;
        if (withdrawn) {
            if (there.isPresent()) {
                tree.delete(path);
            }
            gone = true;
            return there.isPresent();
        }
        if (there.isPresent() && there.get().owner() == tree.session()) {
            boolean same = Arrays.equals(there.get().data(), data);
            return !same && tree.write(path, data, there.get().version());
        }
        LOG.info("announcing {}", wanted.describe());
        // One that is there is of our own lost session and would vanish with it. When it does so in
        // between, that is another change, and another round.
        return there.isPresent() ? tree.renew(path, data) : tree.create(path, data, true);
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
