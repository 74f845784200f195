// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who may sign for a Safe, and which modules may act without any signature
/// @dev The storage layout is Safe 1.4.1's to slot 7, since tools read slots: singleton, modules, owners, owner count,
/// threshold, nonce, signed messages, approved hashes. Lists are linked, beginning and ending at address 1, newest first.
abstract contract SafeOwners {
    address internal constant SENTINEL = address(1);

    // slot 0: the proxy's
    address internal singleton;
    mapping(address module => address next) internal modules;
    mapping(address owner => address next) internal owners;
    uint256 internal ownerCount;
    uint256 internal threshold;
    uint256 public nonce;
    mapping(bytes32 message => uint256) public signedMessages;
    mapping(address owner => mapping(bytes32 hash => uint256)) public approvedHashes;

    event AddedOwner(address indexed owner);
    event RemovedOwner(address indexed owner);
    event ChangedThreshold(uint256 threshold);
    event EnabledModule(address indexed module);
    event DisabledModule(address indexed module);

    /// @dev The account itself is asked by a transaction that its owners signed.
    modifier authorized() {
        require(msg.sender == address(this), "GS031");
        _;
    }

    function getThreshold() external view returns (uint256) {
        return threshold;
    }

    function isOwner(address account) public view returns (bool) {
        return account != SENTINEL && owners[account] != address(0);
    }

    function getOwners() external view returns (address[] memory list) {
        list = new address[](ownerCount);
        address owner = owners[SENTINEL];
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = owner;
            owner = owners[owner];
        }
    }

    function addOwnerWithThreshold(address owner, uint256 newThreshold) external authorized {
        _checkNewOwner(owner);
        owners[owner] = owners[SENTINEL];
        owners[SENTINEL] = owner;
        ownerCount += 1;
        emit AddedOwner(owner);
        if (newThreshold != threshold) changeThreshold(newThreshold);
    }

    /// @param prevOwner the owner before it in the list; address 1 before the first
    function removeOwner(address prevOwner, address owner, uint256 newThreshold) external authorized {
        require(ownerCount - 1 >= newThreshold, "GS201");
        _checkLink(prevOwner, owner);
        owners[prevOwner] = owners[owner];
        owners[owner] = address(0);
        ownerCount -= 1;
        emit RemovedOwner(owner);
        if (newThreshold != threshold) changeThreshold(newThreshold);
    }

    function swapOwner(address prevOwner, address oldOwner, address newOwner) external authorized {
        _checkNewOwner(newOwner);
        _checkLink(prevOwner, oldOwner);
        owners[newOwner] = owners[oldOwner];
        owners[prevOwner] = newOwner;
        owners[oldOwner] = address(0);
        emit RemovedOwner(oldOwner);
        emit AddedOwner(newOwner);
    }

    function changeThreshold(uint256 newThreshold) public authorized {
        require(newThreshold <= ownerCount, "GS201");
        require(newThreshold >= 1, "GS202");
        threshold = newThreshold;
        emit ChangedThreshold(newThreshold);
    }

    function isModuleEnabled(address module) public view returns (bool) {
        return module != SENTINEL && modules[module] != address(0);
    }

    /// @param start where the page begins: address 1 for the first
    /// @return array at most `pageSize` modules
    /// @return next where the next page begins; address 1 if there is none
    function getModulesPaginated(address start, uint256 pageSize)
        external
        view
        returns (address[] memory array, address next)
    {
        require(start == SENTINEL || isModuleEnabled(start), "GS105");
        require(pageSize > 0, "GS106");
        array = new address[](pageSize);
        uint256 count = 0;
        next = modules[start];
        while (next != address(0) && next != SENTINEL && count < pageSize) {
            array[count++] = next;
            next = modules[next];
        }
        // A page begins after the module that it is named by: the last one shown.
        if (next != SENTINEL) next = array[count - 1];
        assembly ("memory-safe") {
            mstore(array, count)
        }
    }

    function enableModule(address module) external authorized {
        require(module != address(0) && module != SENTINEL, "GS101");
        require(modules[module] == address(0), "GS102");
        modules[module] = modules[SENTINEL];
        modules[SENTINEL] = module;
        emit EnabledModule(module);
    }

    function disableModule(address prevModule, address module) external authorized {
        require(module != address(0) && module != SENTINEL, "GS101");
        require(modules[prevModule] == module, "GS103");
        modules[prevModule] = modules[module];
        modules[module] = address(0);
        emit DisabledModule(module);
    }

    function _setupOwners(address[] calldata list, uint256 threshold_) internal {
        require(threshold == 0, "GS200");
        require(threshold_ <= list.length, "GS201");
        require(threshold_ >= 1, "GS202");
        address last = SENTINEL;
        for (uint256 i = 0; i < list.length; ++i) {
            _checkNewOwner(list[i]);
            require(list[i] != last, "GS203");
            owners[last] = list[i];
            last = list[i];
        }
        owners[last] = SENTINEL;
        ownerCount = list.length;
        threshold = threshold_;
        modules[SENTINEL] = SENTINEL;
    }

    function _checkNewOwner(address owner) private view {
        require(owner != address(0) && owner != SENTINEL && owner != address(this), "GS203");
        require(owners[owner] == address(0), "GS204");
    }

    function _checkLink(address prevOwner, address owner) private view {
        require(owner != address(0) && owner != SENTINEL, "GS203");
        require(owners[prevOwner] == owner, "GS205");
    }
}
