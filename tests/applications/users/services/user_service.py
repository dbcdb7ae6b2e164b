from src.services.repository_service import RepositoryService


class UserService(RepositoryService):
    pass
