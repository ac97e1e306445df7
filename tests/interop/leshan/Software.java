import java.security.MessageDigest;
import java.util.Base64;
import java.util.List;
import org.eclipse.californium.core.CoapClient;
import org.eclipse.californium.core.CoapResponse;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.leshan.client.resource.BaseInstanceEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.ReadResponse;
import org.eclipse.leshan.core.response.WriteResponse;
import org.eclipse.leshan.core.util.Hex;

/**
 * Software Management (object 9, OMA-TS-LWM2M_SwMgmt-V1_0) of a device that knows nothing of models: it fetches what the
 * Package URI names with Californium, keeps the bytes, and names them by their digest.
 */
public class Software extends BaseInstanceEnabler {
    static final int OBJECT = 9;
    static final int MAXIMUM_BYTES = 1 << 20;

    private static final int NAME = 0, VERSION = 1, URI = 3, INSTALL = 4, UNINSTALL = 6, STATE = 7, RESULT = 9,
            ACTIVATE = 10, DEACTIVATE = 11, ACTIVATION = 12;
    private static final List<Integer> RESOURCES = List.of(NAME, VERSION, URI, INSTALL, UNINSTALL, STATE, RESULT,
            ACTIVATE, DEACTIVATE, ACTIVATION);
    private static final int INITIAL = 0, DOWNLOAD_STARTED = 1, DOWNLOADED = 2, DELIVERED = 3, INSTALLED = 4;
    private static final int NOTHING = 0, DOWNLOADING = 1, INSTALL_SUCCESS = 2, VERIFIED = 3, CONNECTION_LOST = 52,
            INVALID_URI = 56;

    private int state = INITIAL;
    private int result = NOTHING;
    private boolean active;
    private byte[] content;

    @Override
    public List<Integer> getAvailableResourceIds(ObjectModel model) {
        return RESOURCES;
    }

    @Override
    public synchronized ReadResponse read(LwM2mServer server, int resource) {
        switch (resource) {
        case NAME:
            return ReadResponse.success(resource, state == INSTALLED ? "package" : "");
        case VERSION:
            return ReadResponse.success(resource, state == INSTALLED ? digest().substring(0, 8) : "");
        case STATE:
            return ReadResponse.success(resource, state);
        case RESULT:
            return ReadResponse.success(resource, result);
        case ACTIVATION:
            return ReadResponse.success(resource, active);
        default:
            return ReadResponse.methodNotAllowed();
        }
    }

    @Override
    public synchronized WriteResponse write(LwM2mServer server, boolean replace, int resource, LwM2mResource value) {
        if (resource != URI) {
            return WriteResponse.methodNotAllowed();
        }
        String uri = (String) value.getValue();
        become(DOWNLOAD_STARTED, DOWNLOADING);
        Thread fetching = new Thread(() -> fetch(uri));
        fetching.setDaemon(true);
        fetching.start();
        return WriteResponse.success();
    }

    @Override
    public synchronized ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
        if (resource == INSTALL && state == DELIVERED) {
            become(INSTALLED, INSTALL_SUCCESS);
        } else if (resource == UNINSTALL) {
            content = null;
            activate(false);
            become(INITIAL, NOTHING);
        } else if ((resource == ACTIVATE || resource == DEACTIVATE) && state == INSTALLED) {
            activate(resource == ACTIVATE);
        } else {
            return ExecuteResponse.methodNotAllowed();
        }
        Peer.tell("software", "resource", resource, "state", state, "active", active);
        return ExecuteResponse.success();
    }

    /** A GET of the package, block by block (RFC 7959), by Californium's own means. */
    private void fetch(String uri) {
        CoapConfig.register();
        Configuration configuration = Configuration.createStandardWithoutFile();
        configuration.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, MAXIMUM_BYTES);
        CoapEndpoint endpoint = CoapEndpoint.builder().setConfiguration(configuration).build();
        try {
            CoapResponse response = new CoapClient(uri).setEndpoint(endpoint).setTimeout(60_000L).get();
            arrived(response);
        } catch (Exception error) {
            Peer.tell("download failed", "reason", String.valueOf(error));
            become(INITIAL, INVALID_URI);
        } finally {
            endpoint.destroy();
        }
    }

    private synchronized void arrived(CoapResponse response) {
        if (response == null) {
            become(INITIAL, CONNECTION_LOST);
            return;
        }
        if (!response.isSuccess()) {
            Peer.tell("download failed", "reason", response.getCode() + " " + response.getResponseText());
            become(INITIAL, INVALID_URI);
            return;
        }
        content = response.getPayload();
        become(DOWNLOADED, DOWNLOADING);
        become(DELIVERED, VERIFIED);
        Peer.tell("downloaded", "package", Base64.getEncoder().encodeToString(content));
    }

    private synchronized void become(int newState, int newResult) {
        state = newState;
        result = newResult;
        fireResourceChange(STATE);
        fireResourceChange(RESULT);
    }

    private void activate(boolean wanted) {
        active = wanted;
        fireResourceChange(ACTIVATION);
    }

    private String digest() {
        try {
            return Hex.encodeHexString(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
